"""The algorithms a round can train by, as people name them. Knows nothing of what they do."""

from enum import StrEnum


class Algorithm(StrEnum):
    """What `[training] algorithm`, the API and the command line take."""

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
        """What a person reads."""
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
