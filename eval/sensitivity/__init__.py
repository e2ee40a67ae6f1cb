"""What moves a method's error: missing parts, noise, placing, assumptions."""
