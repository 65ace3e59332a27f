"""The sections of a report, one module each; registered in `imcflow.report.SECTIONS`."""
