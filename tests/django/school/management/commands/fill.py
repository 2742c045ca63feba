"""Fills the database and the media folder, the same each time."""

import datetime
import decimal
import uuid

from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction

from school.models import Course, Department, Enrolment, Note, Pupil, Teacher

NAMES = ["Ada", "Bob 'the' \"Builder\"", "Zoë 🦀", "a\nb", "", "NULL", "O''Hara", "ünï"]


class Command(BaseCommand):
    help = __doc__

    @transaction.atomic
    def handle(self, **options):
        zone = datetime.timezone.utc
        top = Department.objects.create(code="top", name="All")
        departments = [Department.objects.create(code=f"d{n}", name=f"Department {n}", above=top) for n in range(5)]
        group = Group.objects.create(name="staff")
        teachers = []
        for n in range(12):
            user = User.objects.create(username=f"user{n}", password="!", last_login=datetime.datetime(2026, 11, n + 1, tzinfo=zone))
            user.groups.add(group)
            teacher = Teacher.objects.create(
                key=uuid.UUID(int=n), user=user, name=NAMES[n % 8], email=f"t{n}@example.org", pay=n / 7,
                hours=datetime.timedelta(hours=n, microseconds=1), raw=bytes(range(n)),
            )
            teachers.append(teacher)
        pupils = []
        for n in range(120):
            pupil = Pupil(
                key=uuid.UUID(int=1000 + n), name=NAMES[n % 8], email=f"p{n}@example.org", department=departments[n % 5],
                born=datetime.date(1900 + n, 2, 28) if n % 3 else None, fee=decimal.Decimal(n) / 16,
                settings={"theme": NAMES[n % 8], "deep": [n, {"x": None}, 1e300, True]} if n % 4 else [],
            )
            if n % 10 == 0:
                pupil.photo.save(f"photo {n} é.png", ContentFile(bytes([n]) * (n * 300)), save=False)
            pupil.save()
            pupils.append(pupil)
        for n in range(9):
            course = Course.objects.create(
                title=NAMES[n % 8] * 3, begins=datetime.datetime(2026, 1, 1 + n, 7, 30, 0, n, tzinfo=zone),
                daily=datetime.time(8, n) if n % 2 else None, open=[None, True, False][n % 3],
            )
            course.teachers.set(teachers[n : n + 3])
            for pupil in pupils[n :: 5]:
                Enrolment.objects.create(course=course, pupil=pupil, mark=(n * 11) % 100 if n % 2 else None)
            Note.objects.create(about=course, text=f"about the course {n}")
        for about in [top, *teachers, *pupils[::7]]:
            Note.objects.create(about=about, text="about " + str(about.pk))
