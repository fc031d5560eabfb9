# SPDX-License-Identifier: Apache-2.0
"""Sluice as an operator runs it: a configuration file, sluice-control, which starts the dataplane, and sluicectl."""
import os

import lab
from test_ping import wait_for


class Service:
    """The configuration's sockets are dataplane.sock and control.sock in the lab's folder. `prefix` goes before the command."""

    def __init__(self, laboratory, namespace, configuration, prefix=()):
        self.lab, self.folder = laboratory, laboratory.folder
        self.path = os.path.join(self.folder, 'sluice.yaml')
        with open(self.path, 'w', encoding='utf-8') as f:
            f.write(configuration)
        self.log = open(os.path.join(self.folder, 'log'), 'w+', encoding='utf-8')
        self.process = laboratory.spawn(namespace, *prefix, f'{lab.BUILD}/control/sluice-control', '-c', self.path, stderr=self.log, stdout=self.log)

    def sluicectl(self, *words):
        return lab.run(f'{lab.BUILD}/control/sluicectl', '--socket', f'{self.folder}/control.sock', *words, check=False).stdout

    def read_log(self):
        self.log.flush()
        with open(self.log.name, encoding='utf-8') as f:
            return f.read()

    def is_published(self):
        return 'snapshot_published: yes' in self.sluicectl('show', 'info')

    def wait_until_published(self):
        wait_for(self.is_published, 'the configuration to be published', 30)

    def stop(self):
        """Both processes; True when the dataplane ended well, which it does not if it leaked a packet buffer."""
        self.sluicectl('disable', 'dataplane')
        wait_for(lambda: 'ended with status' in self.read_log(), 'the dataplane to stop')
        self.lab.end(self.process)
        return 'ended with status 0' in self.read_log()
