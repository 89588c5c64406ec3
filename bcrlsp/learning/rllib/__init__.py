"""The learners on RLlib's new API stack: module, learner, configuration and algorithm."""
