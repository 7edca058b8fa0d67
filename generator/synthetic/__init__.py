"""A world whose truth is known: raw tables for the pipeline, outcomes for the experiment."""

from generator.synthetic.audit import audit
from generator.synthetic.generate import GenerateResult, generate
from generator.synthetic.outcomes import Outcomes
from generator.synthetic.world import SyntheticWorld

__all__ = ["GenerateResult", "Outcomes", "SyntheticWorld", "audit", "generate"]
