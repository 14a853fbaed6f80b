"""How events become rows of the projections: one statement per projection and topic, over what is staged of a batch.

All of them may be repeated, and lead to the same rows in any order: the first event of a deployment's end and of a push
stays, as in the flows. Results come before requests, because a result needs no request beside it.
"""

from dataclasses import dataclass

from local.replay.intake import API_INTAKES, PUSH_INTAKE, REQUEST_INTAKE, RESULT_INTAKE, Intake
from stoa.catalog.store import recording
from stoa.kernel.tables import API_STATUS, APIS, DEPLOYMENTS, PUSHES, Projection

_ASKED = (
    "deployment_id, tenant, api_id, environment, action, generation, project_id, commit, triggered_by, requested_by,"
    " trace_id, requested_at"
)
_DEPLOYMENT = (
    "INSERT INTO {schema}.deployments (id, tenant, api, environment, action, generation, project_id, commit_sha,"
    " trigger, requested_by, trace_id, requested_at, state"
)

# events were written before they said it
DRAFT = "jsonb_build_object('state', 'draft', 'deprecated', NULL, 'sunset', NULL)"


def _api(deleted: bool) -> str:
    """The newest generation of an API is its row, whichever topic told it."""
    kept = (
        "generation", "project_id", "commit_sha", "environments", "created_at", "created_by", "updated_at",
        "updated_by", "deleted_at", "deleted_by", "display_name", "description", "tags", "owner", "version",
        "operations", "lifecycle",
    )  # fmt: skip
    newer = ", ".join(f"{name} = excluded.{name}" for name in kept)
    end = "timestamp, deleted_by" if deleted else "NULL::timestamptz, NULL"
    return (
        # the generation with which its present life began is on no event
        f"INSERT INTO {{schema}}.apis AS a (tenant, api, created_generation, {', '.join(kept)})"
        " SELECT DISTINCT ON (tenant, api_id) tenant, api_id, generation, generation, project_id, commit,"
        " ARRAY(SELECT jsonb_array_elements_text(environments)), created_at, created_by, updated_at, updated_by,"
        # older events say nothing of these
        f" {end}, coalesce(display_name, ''), coalesce(description, ''),"
        " ARRAY(SELECT jsonb_array_elements_text(tags)), owner, version, coalesce(operations, ''),"
        f" coalesce(lifecycle, {DRAFT})"
        " FROM {staged} ORDER BY tenant, api_id, generation DESC"
        f" ON CONFLICT (tenant, api) DO UPDATE SET {newer} WHERE a.generation < excluded.generation"
    )


@dataclass(frozen=True)
class Fold:
    """`statement` has {schema} and {staged} to fill in."""

    projection: Projection
    intake: Intake
    statement: str

    def sql(self, schema: str) -> str:
        return self.statement.format(schema=schema, staged=staged(self.intake))


def staged(intake: Intake) -> str:
    return f"staged_{intake.topic.replace('-', '_')}"


FOLDS = (
    Fold(
        DEPLOYMENTS,
        RESULT_INTAKE,
        f"{_DEPLOYMENT}, api_version, awx_job_id, result, error, finished_at) SELECT {_ASKED},"
        " CASE status WHEN 'success' THEN 'succeeded' ELSE status END, api_version, awx_job_id, gateway_response,"
        " error, finished_at FROM {staged} ON CONFLICT DO NOTHING",
    ),
    Fold(
        API_STATUS,
        RESULT_INTAKE,
        recording(
            "SELECT tenant, api_id AS api, environment, generation, deployment_id, status, action, api_version, commit,"
            " finished_at FROM {staged}",
            "{schema}.api_status",
        ),
    ),
    Fold(
        DEPLOYMENTS,
        REQUEST_INTAKE,
        f"{_DEPLOYMENT}) SELECT {_ASKED}, 'requested' FROM {{staged}} ON CONFLICT DO NOTHING",
    ),
    Fold(
        PUSHES,
        PUSH_INTAKE,
        "INSERT INTO {schema}.pushes (id, project_id, ref, before_sha, after_sha, pusher, trace_id, received_at, state)"
        " SELECT push_id, project_id, ref, before, after, pusher, trace_id, received_at, 'accepted' FROM {staged}"
        " ON CONFLICT DO NOTHING",
    ),
    *(Fold(APIS, intake, _api(intake.topic == "api-deleted")) for intake in API_INTAKES),
)
