"""The `imc` dialect: types, attributes, ops, verifiers, canonicalisation and the reference interpreter."""
