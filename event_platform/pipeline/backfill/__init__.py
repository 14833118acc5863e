"""Back-fill: the partitions of event tables whose rows would differ under the present catalog."""
