"""Schedules of programs: which part of a step runs where and when (`docs/instruction-stream.md` section 9).

`table` is the data, `work` what a step does and reads row by row, `check` the loader's rules, `replay` a machine that
derives the times again from the streams, `execute` runs a program part by part in the order of its schedule.
"""
