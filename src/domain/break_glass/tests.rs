//! Break-glass as pure rules.
