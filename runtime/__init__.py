"""Program container, loader, functional execution and counters; imports no compiler."""
