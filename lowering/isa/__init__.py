"""Program-level modules to runtime programs."""
