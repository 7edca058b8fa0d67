"""A world whose truth is known: raw tables for the pipeline, outcomes for the experiment."""

from generator.synthetic.generate import GenerateResult, generate

__all__ = ["GenerateResult", "generate"]
