-- depends: 0002_pushes_by_commit
-- When the processed head moved: a push refused before that says nothing about the branch as it is now,
-- and a start by hand takes the project that was processed last.
ALTER TABLE branches ADD COLUMN moved_at timestamptz NOT NULL DEFAULT now();
