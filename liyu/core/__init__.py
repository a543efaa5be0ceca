"""What every package stands on: settings, database, ledger, clock, money, ids, jobs, storage, mail, audit, errors, i18n."""
