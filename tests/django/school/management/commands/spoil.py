"""Spoils records of every model through the ORM, with the cascades that follow, and the media folder beside them."""

import os

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import F

from school.models import Course, Department, Enrolment, Note, Pupil, Teacher


class Command(BaseCommand):
    help = __doc__

    @transaction.atomic
    def handle(self, **options):
        for pupil in Pupil.objects.exclude(photo="")[:3]:
            os.remove(pupil.photo.path)
        for pupil in Pupil.objects.exclude(photo="")[4:6]:
            with open(pupil.photo.path, "wb") as photo:
                photo.write(b"overwritten")
        Pupil.objects.filter(email__endswith="5@example.org").delete()
        Pupil.objects.filter(email__endswith="7@example.org").update(name="spoiled", born=None)
        Pupil.objects.filter(department__code="d2").update(fee=F("fee") * 2, settings={"gone": True})
        Teacher.objects.filter(pk__in=list(Teacher.objects.order_by("pk").values_list("pk", flat=True)[:3])).delete()
        Course.objects.order_by("pk").first().delete()
        for course in Course.objects.order_by("-pk")[:3]:
            course.teachers.clear()
        Enrolment.objects.filter(mark__gt=30).update(mark=None)
        User.objects.filter(username="user9").delete()
        Group.objects.all().delete()
        Note.objects.filter(pk__gt=20).update(text="")
        Department.objects.create(code="new", name="Only live")
        Department.objects.filter(code="d3").update(above=None)
        Note.objects.create(about=Department.objects.get(code="new"), text="about what is only live")
