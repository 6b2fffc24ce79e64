"""What every workload of `make bench` shares: contenders in turn, under Lambda's sizes, to one table and one plot."""
