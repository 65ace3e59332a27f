"""The built-in hardware descriptions: one YAML file each, named like the target."""
