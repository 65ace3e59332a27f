"""Schedules of programs: cutting the steps of a program into parts, and giving each a unit and a start.

`parts` cuts steps and finds what each part waits for, `list_schedule` runs them, `bounds` says what no schedule beats,
`strategies` chooses the cuts. The units are those that the program uses: AP arrays, crossbar macros, the digital unit.
"""
