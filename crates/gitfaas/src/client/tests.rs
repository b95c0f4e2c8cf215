//! The client against servers that misbehave in ways that gitfaas itself never does.
