"""What several sensors read in the same way: one module per place, none of them a sensor."""
