"""One route: RapidSMS' own generic HTTP backend."""

from django.urls import path
from rapidsms.backends.http.views import GenericHttpBackendView

_VIEW = GenericHttpBackendView.as_view(
    backend_name="sms", params={"identity_name": "from", "text_name": "text"}
)
urlpatterns = [path("sms/", _VIEW)]
