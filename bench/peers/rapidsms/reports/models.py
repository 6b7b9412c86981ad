"""The least that the job needs: what was reported, by whom, under which number."""

from django.db import models


class Report(models.Model):
    """One report."""

    number = models.CharField(max_length=20, unique=True)
    identity = models.CharField(max_length=20)
    code = models.CharField(max_length=10)
    count = models.IntegerField(null=True)
    about = models.CharField(max_length=60)
    place = models.CharField(max_length=80)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Name it by its number."""
        return self.number
