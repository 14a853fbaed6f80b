"""An Argo CD 2.14 for stories: applications, operations, health, sync windows, and an ApplicationSet."""
