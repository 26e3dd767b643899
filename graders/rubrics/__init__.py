"""Rubrics: one module a notebook, ``rubric_NN_slug.py``. Criteria with ``exercise="NN.k"`` belong to the lesson's
exercise, those with ``exercise="aNN"`` to the assignment."""
