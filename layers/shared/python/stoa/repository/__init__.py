"""Reading a GitOps repository: YAML with lines, the variable language, definitions. Pure."""
