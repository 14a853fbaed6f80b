"""What a push asks of other capabilities, in our transaction where a connection is given."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from stoa.authoring.events import Authored
from stoa.deployments.events import Cause, Wanted
from stoa.kernel.database import Connection
from stoa.repository.iam import Iam, IamPush

AskMembers = Callable[[Connection, Iam, Iterable[str], IamPush], list[dict[str, Any]]]
Request = Callable[[Connection, Cause, Sequence[Wanted]], tuple[tuple[str, ...], tuple[str, ...]]]
Ours = Callable[[int, Collection[str], Mapping[str, str]], tuple[Authored, ...]]
Settle = Callable[[Connection, Iterable[Authored]], tuple[str, ...]]
