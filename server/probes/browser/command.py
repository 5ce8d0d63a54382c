"""How the browser is started: its program, flags, policies and file system.

bubblewrap runs the browser in namespaces for processes, files, users and IPC. Its files are the
programs of the machine, read-only, and three folders in memory: the profile is one of them, so
that it exists as long as the run. Chromium makes its own sandbox inside, with more namespaces and
seccomp filters for each page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from novaql.server.probes.browser.launch import PROXY_PORT

BROWSER_UIDS = range(61_184, 65_520)
"""The users of browsers, and their groups: the range that systemd reserves for services without an
entry in /etc/passwd. Each browser takes another one, because the kernel counts the processes of a
user (`RLIMIT_NPROC`): browsers of the same user share one limit, and none starts above it."""

BROWSERS: tuple[tuple[str, str], ...] = (
    ("/usr/lib/chromium/chromium", "/etc/chromium/policies/managed"),
    ("/usr/lib64/chromium-browser/chromium-browser", "/etc/chromium/policies/managed"),
    ("/opt/google/chrome/chrome", "/etc/opt/chrome/policies/managed"),
)
"""Programs (not their wrapper scripts) that are tried in order, and where each reads policies."""

SIZE = (1280, 720)
_POLICY_FD = 6
_INFO_FD = 5
_MIB = 1 << 20

LIMITS: Mapping[str, int] = {
    "RLIMIT_CORE": 0,
    "RLIMIT_FSIZE": 256 * _MIB,
    "RLIMIT_NOFILE": 4096,
    "RLIMIT_NPROC": 1024,
    "RLIMIT_MEMLOCK": 0,
}

_DISABLED_FEATURES = (
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "Translate",
)
_READ_ONLY = ("/usr", "/opt/google", "/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives")
_LINKED = ("/bin", "/lib", "/lib64", "/sbin")


def browser() -> tuple[str, str] | None:
    """Return the browser of this machine and the folder of its policies, or None."""
    return next((found for found in BROWSERS if Path(found[0]).is_file()), None)


def bubblewrap() -> str | None:
    """Return the path of bubblewrap, or None."""
    return shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")


def policies() -> str:
    """Return the managed policies of the browser: the user of a page cannot change them."""
    return json.dumps(
        {
            "ProxySettings": {
                "ProxyMode": "fixed_servers",
                "ProxyServer": f"http://127.0.0.1:{PROXY_PORT}",
                "ProxyBypassList": "<-loopback>",
            },
            "QuicAllowed": False,
            "DnsOverHttpsMode": "off",
            "BuiltInDnsClientEnabled": False,
            "NetworkPredictionOptions": 2,
            "WebRtcIPHandling": "disable_non_proxied_udp",
            "URLBlocklist": [
                *("file://*", "chrome://*", "chrome-untrusted://*", "devtools://*"),
                *("chrome-extension://*", "view-source:*", "ftp://*", "data:*", "blob:*"),
            ],
            "DownloadRestrictions": 3,
            "AllowFileSelectionDialogs": False,
            "ExtensionInstallBlocklist": ["*"],
            "BackgroundModeEnabled": False,
            "ComponentUpdatesEnabled": False,
            "MetricsReportingEnabled": False,
            "BrowserNetworkTimeQueriesEnabled": False,
            "HttpsUpgradesEnabled": False,
            "HttpsOnlyMode": "disallowed",
            "SafeBrowsingProtectionLevel": 0,
            "GenAiDefaultSettings": 2,
            "GenAILocalFoundationalModelSettings": 1,
            "SearchSuggestEnabled": False,
            "SpellCheckServiceEnabled": False,
            "TranslateEnabled": False,
            "SyncDisabled": True,
            "BrowserSignin": 0,
            "PasswordManagerEnabled": False,
            "AutofillAddressEnabled": False,
            "AutofillCreditCardEnabled": False,
            "PrintingEnabled": False,
            "AudioCaptureAllowed": False,
            "VideoCaptureAllowed": False,
            "ScreenCaptureAllowed": False,
            "DefaultGeolocationSetting": 2,
            "DefaultNotificationsSetting": 2,
            "DefaultWebBluetoothGuardSetting": 2,
            "DefaultWebUsbGuardSetting": 2,
        }
    )


def _namespaces(bwrap: str) -> list[str]:
    uid = str(BROWSER_UIDS[0])
    command = [
        bwrap,
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"),
        *("--uid", uid, "--gid", uid, "--hostname", "browser"),
        *("--setenv", "HOME", "/profile", "--setenv", "PATH", "/usr/bin", "--setenv", "TZ", "UTC"),
    ]
    for path in _READ_ONLY:
        command += ["--ro-bind-try", path, path]
    for path in _LINKED:
        if Path(path).is_symlink():
            command += ["--symlink", str(Path(path).readlink()), path]
        else:
            command += ["--ro-bind-try", path, path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path, size in (("/dev/shm", 256), ("/tmp", 64), ("/profile", 128)):  # noqa: S108
        command += ["--size", str(size * _MIB), "--tmpfs", path]
    return command


def trial_command(bwrap: str) -> list[str]:
    """Return a command that succeeds if Chromium could make its sandbox inside ours."""
    inner = ["/usr/bin/unshare", "--user", "--pid", "--net", "--fork", "/usr/bin/true"]
    return [*_namespaces(bwrap), "--", *inner]


def browser_command(bwrap: str, program: str, policy_folder: str) -> list[str]:
    """Return the command of the browser. It uses descriptors 3 and 4 for CDP and reads the
    policies from 6; bubblewrap reports at 5."""
    return [
        *_namespaces(bwrap),
        *("--perms", "0444", "--ro-bind-data", str(_POLICY_FD), f"{policy_folder}/novaql.json"),
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *("--info-fd", str(_INFO_FD), "--", program),
        "--headless=new",
        "--remote-debugging-pipe",
        "--user-data-dir=/profile/data",
        f"--window-size={SIZE[0]},{SIZE[1]}",
        f"--proxy-server=http://127.0.0.1:{PROXY_PORT}",
        "--proxy-bypass-list=<-loopback>",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-quic",
        "--dns-prefetch-disable",
        "--no-pings",
        "--disable-background-networking",
        "--disable-breakpad",
        "--disable-component-extensions-with-background-pages",
        "--disable-component-update",
        "--component-updater=url-source=data:,",  # some updates ignore the flag above
        "--disable-default-apps",
        "--disable-domain-reliability",
        "--disable-client-side-phishing-detection",
        "--disable-extensions",
        f"--disable-features={','.join(_DISABLED_FEATURES)}",
        "--disable-gpu",
        "--disable-popup-blocking",
        "--disable-sync",
        "--metrics-recording-only",
        "--mute-audio",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        "--lang=en-US",
        "--no-default-browser-check",
        "--no-first-run",
        "--password-store=basic",
        "--disk-cache-size=33554432",
        "--renderer-process-limit=8",
        "--js-flags=--max-old-space-size=512",
        "--no-startup-window",  # a run opens its page itself: the first one may be replaced
    ]
