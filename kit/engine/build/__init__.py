"""The builder: a Dockerfile and a context become an image.

Start with ``builder`` (one build from door to door), then ``solver`` (stages and steps in order).
"""
