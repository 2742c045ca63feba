"""One of every kind of relation and field that Django applications have."""

import uuid

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Department(models.Model):
    """A tree of itself."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    above = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="below")


class Person(models.Model):
    """The parent of a multi-table inheritance."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.OneToOneField(User, null=True, on_delete=models.SET_NULL)
    name = models.CharField(max_length=200)
    email = models.EmailField(unique=True)
    born = models.DateField(null=True)


class Pupil(Person):
    """A child of it: a row in each of two tables."""

    department = models.ForeignKey(Department, on_delete=models.PROTECT)
    fee = models.DecimalField(max_digits=12, decimal_places=4)
    settings = models.JSONField(default=dict)
    photo = models.FileField(upload_to="photos/%Y", blank=True)


class Teacher(Person):
    """Another child, in a table with a name of its own."""

    pay = models.FloatField()
    hours = models.DurationField()
    raw = models.BinaryField(default=b"")

    class Meta:
        db_table = "hr Teachers"


class Course(models.Model):
    """Many to many, plain and through a model."""

    title = models.TextField()
    begins = models.DateTimeField()
    daily = models.TimeField(null=True)
    teachers = models.ManyToManyField(Teacher, related_name="courses")
    pupils = models.ManyToManyField(Pupil, through="Enrolment")
    open = models.BooleanField(null=True)


class Enrolment(models.Model):
    """Unique together, and checked."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE)
    pupil = models.ForeignKey(Pupil, on_delete=models.CASCADE)
    mark = models.PositiveSmallIntegerField(null=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        unique_together = [("course", "pupil")]
        indexes = [models.Index(fields=["-mark"], name="best_first", condition=models.Q(mark__gt=1))]
        constraints = [models.CheckConstraint(check=models.Q(mark__lte=100), name="mark_of_a_hundred")]


class Note(models.Model):
    """A note about anything."""

    text = models.TextField(blank=True)
    about_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    about_key = models.CharField(max_length=64)
    about = GenericForeignKey("about_type", "about_key")
