"""Why a request would be let in or refused: the gate's own answer, step by step, about one nobody sent."""
