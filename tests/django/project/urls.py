"""No pages: the project is asked through its commands."""

urlpatterns = []
