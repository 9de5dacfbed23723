"""The commands, one room each. They print; `stress.cli` turns errors into exit codes."""
