//! What makes a host report who gets in there beside certificates.

use crate::domain::ids::TargetName;
use crate::targets::Preparation;

/// Five minutes, as for targets that are looked at. The token is good for these reports and for nothing else.
pub(super) fn preparation(name: &TargetName, server: &str) -> Preparation {
    // No here-documents: what is shown is indented, and has to work as it is copied.
    let text = format!(
        "portcullis service-account create report-{name} --owner YOU --scope report:{name}   # prints the token, good for 30 days

install -m 600 /dev/null /etc/portcullis-report.env
printf '%s\\n' PORTCULLIS_SERVER={server} PORTCULLIS_TOKEN=THE-TOKEN > /etc/portcullis-report.env
printf '%s\\n' '[Unit]' 'Description=Tell Portcullis who gets in here beside grants' 'Wants=network-online.target' 'After=network-online.target' \\
  '[Service]' Type=oneshot EnvironmentFile=/etc/portcullis-report.env TimeoutStartSec=120 \\
  'ExecStart=/usr/local/bin/portcullis target keys --report {name}' > /etc/systemd/system/portcullis-report.service
printf '%s\\n' '[Unit]' 'Description=Tell Portcullis every 5 minutes who gets in here beside grants' \\
  '[Timer]' OnBootSec=1min OnUnitActiveSec=5min RandomizedDelaySec=30 \\
  '[Install]' WantedBy=timers.target > /etc/systemd/system/portcullis-report.timer
systemctl daemon-reload && systemctl enable --now portcullis-report.timer

# Without systemd, in /etc/cron.d/portcullis-report:
# */5 * * * * root set -a; . /etc/portcullis-report.env; /usr/local/bin/portcullis target keys --report {name}"
    );
    Preparation {
        what: "let the host tell every 5 minutes which keys and passwords open it (the first command where you are signed \
               in as an admin, the rest as root on the host)"
            .to_owned(),
        text,
    }
}
