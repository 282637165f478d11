"""What tests need and authors of presets may use; no other room imports it."""
