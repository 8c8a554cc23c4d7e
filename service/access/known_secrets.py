"""Secrets that are known by their looks: private keys, and what issuers have given a prefix."""

from service.access.finders import Finder, Found, finder, secret_in
from service.access.secret_values import is_random

_BEGIN = r"-----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----"
_END = r"-----END[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----"
_BLANKS = r"""(?: \\{1,31}+ [nrt] | [\s"',+>|] )*+"""


def _random(found: Found) -> bool:
    return is_random(secret_in(found), shortest=20)


_PRIVATE_KEYS = (
    finder("private_key", rf"{_BEGIN} [^-]*+ (?: - (?! ---- ) [^-]*+ )*+ {_END}", "PRIVATE KEY"),
    # One that was cut off: as far as there are lines of it.
    finder(
        "private_key",
        rf"""{_BEGIN} {_BLANKS} (?: [A-Z][A-Za-z-]{{1,32}} : [ ] [^\n]{{0,256}} {_BLANKS} ){{0,8}}+
        (?: {_BLANKS} [A-Za-z0-9+/]{{16,}}+ ={{0,2}} )++""",
        "PRIVATE KEY",
    ),
    finder(
        "private_key",
        r"""Private-Lines: [ ] \d{1,4}
        (?P<secret> (?: (?: \s | \\{1,31}+ [nr] ){1,4}+ [A-Za-z0-9+/]{4,80}+ ={0,2} )++ )""",
        "Private-Lines: ",
    ),
    # The same in Base64, as in the files of clusters.
    finder(
        "private_key",
        r"""LS0tLS1CRUdJTi (?: BQUklWQVRFIEtF | BSU0EgUFJJVkFURSBL | BFQyBQUklWQVRFIEtF
        | BEU0EgUFJJVkFURSBL | BPUEVOU1NIIFBSSVZBVEUgS0VZ | BFTkNSWVBURUQgUFJJVkFURSBL )
        [A-Za-z0-9+/]*+ (?: \s{1,64} [A-Za-z0-9+/]{40,}+ )*+ ={0,2}""",
        "LS0tLS1CRUdJTi",
    ),
    finder(
        "private_key",
        r"""["] (?: d | dp | dq | p | q | qi | k ) \\{0,31}+ ["] \s{0,8} : \s{0,8}
        \\{0,31}+ ["] (?P<secret> [\w-]{20,}+ ) \\{0,31}+ ["]""",
        '"kty',
    ),
    finder("private_key", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", "AGE-SECRET-KEY-"),
)

_LOOKS = (
    # Clouds.
    (r"(?<![A-Za-z0-9]) A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16} (?![A-Za-z0-9])",
     "AKIA", "ASIA", "ABIA", "ACCA"),
    (r"AIza[\w-]{35} (?![\w-])", "AIza"),
    (r"GOCSPX-[\w-]{28}", "GOCSPX-"),
    (r"(?<![\w.]) ya29\.[\w-]{20,}+", "ya29."),
    (r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{40,88}+={0,2})",
     "AccountKey=", "SharedAccessKey="),
    (r"[?&]sig=(?P<secret>(?:[A-Za-z0-9+/=-]|%[0-9A-Fa-f]{2}){32,128})", "sig="),
    (r"(?<![\w~.-]) [\w~.-]{3}\dQ~[\w~.-]{31,34} (?![\w~.-])", "Q~"),
    (r"dapi[a-f0-9]{32}", "dapi"),
    (r"do[opr]_v1_[a-f0-9]{64}", "_v1_"),
    # Places of code, packages and images.
    (r"gh[opusr]_[A-Za-z0-9]{36,}+", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    (r"github_pat_\w{50,}+", "github_pat_"),
    (r"gl(?:pat|dt|rt|rtr|ptt|cbt|soat|ft|imt|agent|oas)-[\w-]{20,}+(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?",
     "glpat-", "gldt-", "glrt-", "glrtr-", "glptt-", "glcbt-", "glsoat-", "glft-", "glimt-",
     "glagent-", "gloas-"),
    (r"ATATT3xFfGF0[\w=-]{50,}+", "ATATT3xFfGF0"),
    (r"npm_[A-Za-z0-9]{36} (?![A-Za-z0-9])", "npm_"),
    (r"pypi-AgE[\w-]{50,}+", "pypi-AgE"),
    (r"(?:eyJhdXRocyI|ewogICJhdXRocyI|ewoJImF1dGhzI)[A-Za-z0-9+/]{16,}+={0,2}",
     "eyJhdXRocyI", "ewogICJhdXRocyI", "ewoJImF1dGhzI"),
    (r"dckr_[op]at_[\w-]{27,}+", "dckr_"),
    (r"rubygems_[a-f0-9]{48}", "rubygems_"),
    # Clusters, vaults and dashboards.
    (r"sha256~[\w-]{43}", "sha256~"),
    (r"(?<![\w.]) hv[sbr]\.[\w-]{24,}+", "hvs.", "hvb.", "hvr."),
    (r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}+", ".atlasv1."),
    (r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", "glsa_"),
    (r"glc_eyJ[A-Za-z0-9+/=]{32,}+", "glc_eyJ"),
    (r"turnstile_[\w-]{43}", "turnstile_"),
    # Models.
    (r"(?<![A-Za-z0-9]) hf_[A-Za-z0-9]{34,}+", "hf_"),
    (r"nvapi-[\w-]{60,}+", "nvapi-"),
    (r"(?<![A-Za-z0-9]) gsk_[A-Za-z0-9]{40,}+", "gsk_"),
    (r"(?<![A-Za-z0-9]) xai-[A-Za-z0-9]{70,}+", "xai-"),
    (r"pplx-[A-Za-z0-9]{40,}+", "pplx-"),
    (r"(?<![A-Za-z0-9]) r8_[A-Za-z0-9]{37} (?![A-Za-z0-9])", "r8_"),
    # Messages and money.
    (r"xox[abeoprs]-[A-Za-z0-9-]{20,}+", "xox"),
    (r"xapp-\d-[A-Za-z0-9-]{20,}+", "xapp-"),
    (r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{20,}+)",
     "hooks.slack.com/"),
    (r"discord(?:app)?\.com/api/webhooks/\d{5,24}/(?P<secret>[\w-]{40,}+)", "/api/webhooks/"),
    (r"(?<!\d) \d{8,10}:AA[\w-]{33} (?![\w-])", ":AA"),
    (r"(?<![A-Za-z0-9]) SG\.[\w-]{16,32}\.[\w-]{32,64}", "SG."),
    (r"(?<![A-Za-z0-9]) [sr]k_(?:live|test)_[A-Za-z0-9]{16,}+", "k_live_", "k_test_"),
    (r"(?<![A-Za-z0-9]) whsec_[A-Za-z0-9+/=]{24,}+", "whsec_"),
    (r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}", "shpat_", "shpca_", "shppa_", "shpss_"),
)  # fmt: skip
"""Prefixes by which issuers let their keys be found, each with what a text must hold."""

KEYS: tuple[Finder, ...] = (
    *_PRIVATE_KEYS,
    *(finder("api_key", look, *hints) for look, *hints in _LOOKS),
    # So do OpenAI, Anthropic and others; but words end in these letters too.
    finder("api_key", r"(?<! [\w-] ) sk-[\w-]{20,}+", "sk-", judge=_random),
)

TOKENS: tuple[Finder, ...] = (
    # Signed ones have three parts, of which two are objects; encrypted ones have five.
    finder(
        "jwt",
        r"""(?<! [\w-] ) (?= [\w-]*? eyJ [\w-]{8} )
        (?= [\w-]++ \. (?: eyJ | [\w-]*+ \. [\w-]++ \. [\w-]++ \. [\w-] ) )
        [\w-]*? (?P<secret> eyJ [\w-]{8,}+ (?: \. [\w-]*+ ){1,4} (?<! \. ) )""",
        "eyJ",
    ),
    # In Base64, as in a Secret of a cluster.
    finder("jwt", r"ZXlKaGJHY2lPaU[A-Za-z0-9+/]{40,}+={0,2}", "ZXlKaGJHY2lPaU"),
)
