//! The terminal layer in a real pseudo-terminal. The child is this very test binary, running one ignored test.
