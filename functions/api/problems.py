"""RFC 9457 problem details: one shape for every refusal."""

from fastapi.responses import JSONResponse
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """`code` is stable; `field` names the input at fault; `hint` says what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    hint: str | None = None


RESPONSES: dict[int | str, dict[str, object]] = {
    code: {"description": text, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
    for code, text in ((401, "no or wrong credentials"), (422, "the request is wrong"), (503, "try again later"))
}


def problem(status: int, code: str, detail: str, *, field: str | None = None, hint: str | None = None) -> JSONResponse:
    said = Problem(
        type=f"urn:stoa:problem:{code.lower()}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=detail,
        field=field,
        hint=hint,
    )
    return JSONResponse(said.model_dump(exclude_none=True), status_code=status, media_type=MEDIA_TYPE)
