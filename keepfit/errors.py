"""Every error that Keepfit raises on purpose, as one tree: categories end in Error, failures are facts."""

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the kernel says where a file has no room: on its disk, by a quota, by a limit."""


class KeepfitError(Exception):
    """Something that a person can act on: the message names the thing, the place and the next step."""


class ProjectError(KeepfitError):
    """The project file is missing, cannot be read, or promises what it cannot keep."""


class ProjectNotFound(ProjectError):
    """No project stands where it was looked for."""


class ProjectRefused(ProjectError):
    """The project was found, and cannot work as it is written."""


class IntakeError(KeepfitError):
    """Data from outside could not be taken in."""


class RowRefused(IntakeError):
    """One row breaks the project's schema; the message carries the path and the reason."""


class FileUnreadable(IntakeError):
    """A file is not in a format that can be read, or lacks the columns that it must have."""


class StateError(KeepfitError):
    """What is on disk or in the store does not allow the step that was asked for."""


class CaptureFailed(StateError):
    """The journal could not be written: the disk is full, or the file went away.

    `kept` is how many of the lines, the first, are in it all the same.
    """

    def __init__(self, message: str, kept: int = 0) -> None:
        super().__init__(message)
        self.kept = kept


class KeysUnreadable(StateError):
    """The file of API keys is damaged, or may be written by others."""


class KeyUnknown(StateError):
    """No API key has this name, or one that is in use has it already."""


class SnapshotTooSmall(StateError):
    """Too few examples are labelled to learn from, or to judge on."""


class ChampionChanged(StateError):
    """Another champion was appended to the ledger since this one was compared against it."""


class VersionNotFound(StateError):
    """No version with that number, or no verified bundle of it, is to be had."""


class BundleError(KeepfitError):
    """A bundle must not be served."""


class BundleDamaged(BundleError):
    """The bundle's bytes are not the ones that its digest names."""


class BundleUntrusted(BundleError):
    """The bundle carries no signature by a key that is trusted."""


class BundleDisagrees(BundleError):
    """The bundle does not give its golden outputs on its golden rows."""


class BundleUnusable(BundleError):
    """The model in the bundle cannot be loaded or run."""


class ConversionError(KeepfitError):
    """The estimator cannot be turned into ONNX exactly."""


class ServiceError(KeepfitError):
    """Another process of the stack does not answer, or answers with an error."""


class ServiceUnavailable(ServiceError):
    """A process of the stack cannot be reached."""


class RegistryUnavailable(ServiceUnavailable):
    """The registry of models does not answer: what it keeps is put right when it does."""


class RequestRefused(ServiceError):
    """The prediction service refused a request; the message is its own."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class KeyReused(RequestRefused):
    """Another body came under this idempotency key before: a new request needs a new key."""


class ReceiverUnknown(ServiceError):
    """No block of Prefect has this name, or it takes no notice."""


class StackError(KeepfitError):
    """The processes could not be started, or could not be kept alive."""


class PortTaken(StackError):
    """Another program listens on a port that a process of the stack needs."""


class StackAlreadyUp(StackError):
    """Another `bin/keepfit up` runs on the same home."""
