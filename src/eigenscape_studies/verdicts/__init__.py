"""What the spectra of networks whose state was measured say, and how often it is true."""
