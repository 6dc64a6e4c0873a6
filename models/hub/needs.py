"""What a run of Imagine reads beside its settings: a pipeline, an IP-Adapter, a LoRA; what of it is missing here, and
how large that is on the hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models import hub, weights
from models.hub import download, is_safetensors, open_folders, path_of
from models.hub.download import SOLE, Snapshot
from models.hub.offers import KNOWN, OFFERS, Adapter
from models.weights import WeightsError, WeightsMissing

FLAGS = {"model": "", "IP-Adapter": "--adapter ", "LoRA": "--lora "}  # of `cli.py weights`


@dataclass(frozen=True)
class Need:
    """Files of one repository or folder, or one file. `only`: of a repository, as `download.look` takes it."""

    kind: Literal["model", "IP-Adapter", "LoRA"]
    text: str  # as a person writes it
    repo: str
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        if self.kind == "model":
            return self.text
        return f"{self.kind} {Path(self.text).name if path_of(self.text) else self.text}"

    @property
    def fetchable(self) -> bool:
        """Whether it is named by an id, so that the hub can be asked for it."""
        return bool(hub.REPO_ID.fullmatch(self.repo)) and not hub.is_local(self.repo)

    @property
    def bytes(self) -> int | None:
        """How much a fetch brings, where that is known without asking the hub."""
        if self.kind == "model":
            return KNOWN[self.repo].download_bytes if self.repo in KNOWN else None
        sizes = {of_adapter(offer.adapter): offer.adapter_bytes for offer in OFFERS if offer.adapter}
        return sizes.get(self)

    def place(self) -> Path:
        """The file of an adapter or a LoRA, the folder of a pipeline. Raises WeightsMissing, WeightsError."""
        if self.kind == "model":
            hub.index(self.repo)
            return hub.folder(self.repo)
        if self.kind == "LoRA":
            return lora_file(self.text)
        file, encoder = self.only
        hub.file(self.repo, f"{encoder}/config.json")
        hub.files(self.repo, encoder)
        return hub.file(self.repo, file)

    def fault(self) -> WeightsMissing | WeightsError | None:
        """Why it cannot be read on this machine, or None where it can."""
        try:
            self.place()
        except (WeightsMissing, WeightsError) as error:
            return error
        return None

    def look(self) -> Snapshot:
        """Ask the hub for its files and their size. Raises WeightsMissing, WeightsError."""
        if not self.fetchable:
            raise self.fault() or hub.missing(self.repo)
        return download.look(self.repo, self.only)


def lora_file(text: str) -> Path:
    """The safetensors file that `text` names: a path, `REPO#FILE`, or the only one in REPO. Raises WeightsMissing,
    WeightsError."""
    path = path_of(text)
    if path is not None and path.is_file():
        if not is_safetensors(path.name):
            raise WeightsError(f"{path.name} is no safetensors file: LoRAs are read from nothing else.")
        return path
    repo, name = lora_source(text)
    if name:
        return hub.file(repo, name)
    names = sorted(path.name for path in hub.folder(repo).glob("*.safetensors"))
    return hub.folder(repo) / download.files_of(repo, names, download.SOLE)[0]


def lora_source(text: str) -> tuple[str, str]:
    """REPO and FILE, or "" for its only one, of a text that is not the path of a file. Raises WeightsError."""
    repo, _, name = text.partition("#")
    if name and not is_safetensors(name):
        raise WeightsError(f"{name} is no safetensors file: LoRAs are read from nothing else.")
    if not name and is_safetensors(repo):
        raise WeightsError(f"{text!r} is not on this machine: give the path of a file, or OWNER/NAME#FILE.safetensors.")
    return repo, name


def of_model(repo: str) -> Need:
    """A pipeline, by id or folder."""
    return Need("model", repo, repo)


def of_adapter(adapter: Adapter) -> Need:
    """An IP-Adapter: its file and its image encoder."""
    return Need("IP-Adapter", f"{adapter.repo}#{adapter.file}", adapter.repo, (adapter.file, adapter.encoder))


def of_lora(text: str) -> Need:
    """A LoRA, as `lora_file` reads it. Raises WeightsError for what can be none."""
    path = path_of(text)
    if path is not None and path.is_file():
        return Need("LoRA", text, text)
    repo, file = lora_source(text)
    return Need("LoRA", text, repo, (file or SOLE,))


def adapter_named(text: str) -> Adapter:
    """The IP-Adapter `REPO#FILE`, or of a folder, with the image encoder that it is known to go with, else the one that
    lies beside it. Raises WeightsError."""
    adapter = Adapter.parse(text)
    known = (offer.adapter for offer in OFFERS if offer.adapter)
    return next((other for other in known if (other.repo, other.file) == (adapter.repo, adapter.file)), adapter)


def by_name(models: Iterable[str], adapter: str | None, lora: str | None) -> list[Need]:
    """What a person names. Raises WeightsError."""
    needs = [of_model(repo) for repo in models]
    needs += [of_adapter(adapter_named(adapter))] if adapter else []
    return needs + ([of_lora(lora)] if lora else [])


def lacking(needs: Iterable[Need]) -> WeightsMissing | WeightsError | None:
    """One sentence about all that is missing here and what brings it, as the error of a run; None: nothing is."""
    faults = {need: fault for need in needs if (fault := need.fault()) is not None}
    if not faults:
        return None
    for need, fault in faults.items():
        if not (need.fetchable and isinstance(fault, WeightsMissing)):
            return fault
    names, command = ", ".join(need.name for need in faults), " ".join(FLAGS[n.kind] + n.text for n in faults)
    absent = f"{names} {'are' if len(faults) > 1 else 'is'} not on this machine"
    if weights.offline() and open_folders():
        sentence = (
            f"{absent}, and the network is switched off: choose a folder with the model, or unset ATELIER_OFFLINE."
        )
    elif weights.offline():
        sentence = f"{absent}, and the network is switched off: choose a model that is here."
    elif not open_folders():
        sentence = f"{absent}: press Fetch in Imagine."
    else:
        sentence = (
            f"{absent}: press Fetch in Imagine, run `python cli.py weights {command}`, or give files of this machine."
        )
    return WeightsMissing(sentence, *faults)
