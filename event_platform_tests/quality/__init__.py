"""Reports: what they show, and that nothing that is shown can be markup."""
