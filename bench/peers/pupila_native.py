"""Pupila, answering through BentoML's own layers: what these cost."""

import service as pupila

pupila.TRACED = True
service = pupila.service
