"""One archive that trains on a machine without network: ``scripts/bundle.sh`` packs it, ``run_bundle.sh`` uses it.

Shell does what moves files; what is decided is decided here, without torch but for ``machine``. ``runs`` and
``fairseq_source`` are for packing, ``machine``, ``work`` and ``curve`` for the machine that trains.
"""
