"""The pages people see. Knows the services; nothing else knows the pages."""
