"""The loader's checks: everything that must hold before a program may run."""
