"""The names of the training algorithms, as settings, API and pages use them."""

from enum import StrEnum


class Algorithm(StrEnum):
    """Value of `[training] algorithm`, in the API and on the command line."""

    DPO = "dpo"
    CDPO = "cdpo"
    ROBUST = "robust"
    IPO = "ipo"
    HINGE = "hinge"
    SIMPO = "simpo"
    KTO = "kto"
    PPO = "ppo"

    @property
    def label(self) -> str:
        """The name shown to people."""
        return _LABELS[self]


_LABELS = {
    Algorithm.DPO: "DPO",
    Algorithm.CDPO: "Conservative DPO",
    Algorithm.ROBUST: "Robust DPO",
    Algorithm.IPO: "IPO",
    Algorithm.HINGE: "Hinge (SLiC)",
    Algorithm.SIMPO: "SimPO",
    Algorithm.KTO: "KTO",
    Algorithm.PPO: "PPO",
}
