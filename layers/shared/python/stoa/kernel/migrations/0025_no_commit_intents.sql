-- depends: 0024_members
-- A commit of the platform is found by the change that it was made for (api_changes), and deployed as everybody's.
DROP TABLE commit_intents;
