"""What a model hub answers when it does not do what it is asked, with the remedy.

Nothing that the hub sends is shown unless it was cut to one line and cleared of the token.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from huggingface_hub import get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from redraft.errors import ArtifactError, RedraftError

_SIGN_IN = "sign in with `hf auth login`, or set HF_TOKEN"
_LATER = "nothing is wrong with the pack; try again later"
# Of the packages that carry the calls. The classes themselves differ from release to release.
_CARRIERS = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "hf_xet", "huggingface_hub"})
_MAX_SHOWN = 200


@dataclass(frozen=True)
class Place:
    """A repository on a hub.

    Attributes:
        host: as it is shown, without a user's name or password.
        url: of the repository's page, likewise.
        repo: OWNER/NAME.
        revision: what was asked for; None is the newest.

    """

    host: str
    url: str
    repo: str
    revision: str | None = None


@contextlib.contextmanager
def reporting(place: Place) -> Iterator[None]:
    """Turn whatever the calls in the block raise into an error with a remedy."""
    try:
        yield
    except RedraftError:
        raise
    except Exception as error:
        failure = _failure(error, place)
        if failure is None:
            raise
        raise failure from error


def refusal(response: Any, place: Place) -> ArtifactError:
    """The error of an answer that is none of the good ones; its body is not read."""
    status: int = response.status_code
    code = response.headers.get("X-Error-Code")
    refused = response.headers.get("X-Error-Message") or ""
    if code == "GatedRepo":
        return ArtifactError(
            "RD775",
            f"{place.repo} is gated: its owner decides who may have it",
            f"ask for access at {place.url}, then {_SIGN_IN}",
        )
    if code == "RevisionNotFound":
        return ArtifactError(
            "RD773",
            f"{place.repo} on {place.host} has no revision `{place.revision or 'main'}`",
            "`--revision` takes a branch, a tag, or a commit in full",
        )
    if code == "EntryNotFound":
        return no_pack(place)
    if status == http.client.UNAUTHORIZED and (code is None or "credentials" in refused):
        return ArtifactError("RD774", f"{place.host} does not know who you are", _SIGN_IN)
    if status in (http.client.UNAUTHORIZED, http.client.NOT_FOUND):
        return ArtifactError(
            "RD773",
            f"there is no repository {place.repo} on {place.host}, or you may not see it",
            f"check the name; if it is private, {_SIGN_IN}",
        )
    if status == http.client.FORBIDDEN:
        return ArtifactError(
            "RD774",
            f"{place.host} does not allow you this with {place.repo}",
            "check that the owner is you or a group of yours, and that your token may write",
        )
    if status in (http.client.CONFLICT, http.client.PRECONDITION_FAILED):
        return ArtifactError(
            "RD779",
            f"{place.repo} was changed while this was pushed",
            f"look at what changed at {place.url}, then push again; nothing was overwritten",
        )
    return _other(status, place)


def no_pack(place: Place) -> ArtifactError:
    """The error of a repository that has no pack in it."""
    return ArtifactError(
        "RD776",
        f"{place.repo} on {place.host} holds no pack of redraft: it has no manifest.json",
        "check the name and the revision; `redraft push` makes such repositories",
    )


def unexpected(place: Place, what: str) -> ArtifactError:
    """The error of an answer that no model hub gives."""
    return ArtifactError(
        "RD778",
        f"{place.host} does not answer as a model hub does: {what}",
        "check HF_ENDPOINT, and that no proxy stands between",
    )


def _other(status: int, place: Place, said: str = "") -> ArtifactError:
    reason = http.client.responses.get(status, "")
    message = f"{place.host} answered HTTP {status} {reason}".rstrip()
    remedy = "check HF_ENDPOINT and the name" if 400 <= status < 429 else _LATER
    return ArtifactError("RD778", f"{message}: {said}" if said else message, remedy)


def _failure(error: BaseException, place: Place) -> ArtifactError | None:
    """What to report of any exception of a call; None if it is not one of these."""
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _failure(error.__cause__, place)  # an upload, in a thread of its own
    if isinstance(error, HfHubHTTPError):
        found = refusal(error.response, place)
        said = _one_line(error.server_message or "")
        if found.code == "RD778" and said:
            return _other(error.response.status_code, place, said)
        return found
    if isinstance(error, OfflineModeIsEnabled):
        return ArtifactError(
            "RD772", "HF_HUB_OFFLINE is set, so no hub is asked", "unset HF_HUB_OFFLINE"
        )
    if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return unexpected(place, _one_line(str(error)))
    if isinstance(error, OSError) or _of_a_carrier(error):
        return ArtifactError(
            "RD772",
            f"could not reach {place.host}: {_one_line(str(error)) or type(error).__name__}",
            "check the network and HF_ENDPOINT, then try again",
        )
    return None


def _of_a_carrier(error: BaseException) -> bool:
    return any(cls.__module__.partition(".")[0] in _CARRIERS for cls in type(error).__mro__)


def _one_line(text: str) -> str:
    token = get_token()
    cleared = text.replace(token, "***") if token else text
    return " ".join(cleared.split())[:_MAX_SHOWN]
