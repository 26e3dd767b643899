"""What is shown in the sandbox under the name of a package of ours; never imported from here."""
