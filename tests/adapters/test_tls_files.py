"""Files of TLS that cannot be used are found before anything is asked."""

import pytest

from service.errors import SettingsInvalid
from service.settings import Settings
from service.wiring import open_services


@pytest.mark.parametrize("name", ["ca_file", "certificate_file"])
@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "damaged"])
def test_a_file_that_cannot_be_used_is_refused_at_start(name, content, tmp_path):
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(SettingsInvalid, match=f"{name} {path}"):
        open_services(Settings(upstream={"url": "https://stack.test", name: path}))
