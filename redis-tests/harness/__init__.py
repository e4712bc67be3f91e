"""What every test of this folder stands on: protocol, servers, comparison, report."""
